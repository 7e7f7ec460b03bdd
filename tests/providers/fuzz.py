"""Mutated samples and mutated signed requests, as many as wanted: `python -m tests.providers.fuzz --cases 1000000`.

No exception escapes a parser or a verifier, every mutated body becomes events within the contract or one dead letter,
and a mutated signed request verifies only where it still says what was signed.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec

from flows.captured import bare_body
from flows.providers import PROVIDERS, BodyReader, Reason, Request, Signed, Verdict
from flows.providers.signing import FORM, JSON
from schemas.events import StatusEvent
from tests.providers.mutation import mutated
from tests.providers.signed import COVERS_BODY, Case

SAMPLES = Path(__file__).parent / "samples"
SHARED = Path(__file__).parents[3] / "shared" / "webhooks"
_BODIES_AT_ONCE = 250


class Sample(NamedTuple):
    provider: str
    name: str
    body: bytes


def samples() -> list[Sample]:
    """Ours, and the shared ones where they are."""
    files = [
        file for root in (SAMPLES, SHARED) for provider in PROVIDERS for file in sorted(root.glob(f"{provider}/*.*"))
    ]
    return [Sample(file.parent.name, file.name, file.read_bytes()) for file in files if file.name != "expected.json"]


def fuzz_parsers(cases: int, seed: int) -> Counter[str]:
    """How many mutated bodies gave events, nothing, or a dead letter with which reason."""
    random, found = Random(seed), Counter[str]()
    known = samples()
    for first in range(0, cases, _BODIES_AT_ONCE):
        sample = random.choice(known)
        count = min(_BODIES_AT_ONCE, cases - first)
        found.update(_outcomes(sample.provider, [_request(sample, random, number) for number in range(count)]))
    return found


def _request(sample: Sample, random: Random, number: int) -> Request:
    """Now and then under another content type than its own."""
    body = mutated(sample.body, random)
    request = bare_body(sample.provider, sample.name, body, random.choice(("", "", "", JSON, FORM)))
    return msgspec.structs.replace(request, receipt_id=str(number), received_at=1_793_500_000_000)


def _outcomes(provider: str, requests: list[Request]) -> Iterator[str]:
    reader = BodyReader(PROVIDERS[provider])
    reader.read(requests)
    frame, refused = reader.events()
    for row in frame.iter_rows(named=True):
        msgspec.convert(row, StatusEvent)
    spoke = set(frame["receipt_id"])
    for number, request in enumerate(requests):
        reason = refused[number].bad.reason if number in refused else None
        assert reason != Reason.PARSER_FAILED, (provider, request, refused[number].bad.detail)
        assert reason is None or request.receipt_id not in spoke, (provider, request)
        yield reason or ("events" if request.receipt_id in spoke else "nothing")


def fuzz_verifiers(cases: int, seed: int) -> Counter[str]:
    """How many mutated requests were found wrong, unsigned, or valid because they say what was signed."""
    random, found = Random(seed), Counter[str]()
    keys = [[PROVIDERS[case.provider].hook.key(case.secret)] for case in COVERS_BODY]
    for _ in range(cases):
        place = random.randrange(len(COVERS_BODY))
        case = COVERS_BODY[place]
        signed = _mutated(case, random)
        verdict = PROVIDERS[case.provider].hook.verify(signed, keys[place])
        if verdict is Verdict.VALID:
            assert said(case, signed) == said(case, case.signed), (case, signed)
        found[verdict.value] += 1
    return found


def _mutated(case: Case, random: Random) -> Signed:
    """Its body where it has one, else its address; sometimes a header."""
    signed = case.signed
    if signed.headers and random.random() < 0.2:
        name = random.choice(list(signed.headers))
        text = mutated(signed.headers[name].encode(), random).decode("latin-1")
        return msgspec.structs.replace(signed, headers={**signed.headers, name: text})
    if signed.body:
        return msgspec.structs.replace(signed, body=mutated(signed.body, random))
    return msgspec.structs.replace(signed, url=mutated(signed.url.encode(), random).decode("latin-1"))


def said(case: Case, signed: Signed) -> object:
    """What the scheme covers, however it is written down."""
    if case.provider == "ses_sns":
        envelope = json.loads(signed.body.decode(errors="replace"))
        return [envelope.get(name) for name in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")]
    if case.provider == "vonage" and "authorization" not in case.signed.headers:
        return _sms_fields(signed)
    if case.provider == "twilio" and case.content_type == FORM:
        fields = sorted(set(parse_qsl(signed.body.decode(), keep_blank_values=True)))
        return "".join(name + value for name, value in fields)
    return signed.body, signed.url if case.provider in ("twilio", "messagebird") else ""


def _sms_fields(signed: Signed) -> str:
    """Vonage writes `_` for `&` and `=`, and the digits of `sig` in either case."""
    text = signed.body.decode() or signed.url.partition("?")[2].partition("#")[0]
    pairs = parse_qsl(text, keep_blank_values=True) if text[:1] != "{" else json.loads(text).items()
    fields = {name: value for name, value in reversed(list(pairs)) if name not in ("sig", "tidemark")}
    plain = {
        name: str(value).replace("&", "_").replace("=", "_") for name, value in fields.items() if value is not None
    }
    return "".join(f"&{name}={plain[name]}" for name in sorted(plain))


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--cases", type=int, default=1_000_000, help="bodies, and half as many signed requests")
    told.add_argument("--seed", type=int, default=1)
    options = told.parse_args()
    began = time.monotonic()
    print(json.dumps({"parsed": dict(fuzz_parsers(options.cases, options.seed).most_common())}), flush=True)
    print(json.dumps({"verified": dict(fuzz_verifiers(options.cases // 2, options.seed).most_common())}))
    print(json.dumps({"seed": options.seed, "seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()

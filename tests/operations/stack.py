"""What docker-compose.yml starts, started here: the same commands in the same order, with the same settings.

What differs is what a container would give each for itself: hosts become loopback, ports free ones, /data a folder.
"""

import importlib
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

from loadgen.processes import Flow
from schemas.settings import PREFIX, Settings
from tests.operations.compose import Service, services, start_order
from tests.parts.kafka import KafkaBroker, free_port

_HEALTHY_WITHIN_S = 180.0
_ENDS_WITHIN_S = 40.0
"""10 on a machine of its own."""


class Stack:
    """Roles of ours, those of `profiles` too, over a broker and a database that run already. All that it starts ends
    with it.
    """

    def __init__(
        self, folder: Path, broker: KafkaBroker, clickhouse: str, profiles: tuple[str, ...] = (), **changes: str
    ) -> None:
        self._folder = folder
        self._replaced = {"BROKER": broker.dsn, "CLICKHOUSE": clickhouse} | changes
        self._services = {name: service for name, service in services().items() if service.is_ours}
        self._profiles = set(profiles)
        self._ports: dict[tuple[str, int], int] = {}
        self.running: dict[str, Flow] = {}

    @property
    def names(self) -> list[str]:
        """What `docker compose up` starts."""
        ordered = [service for service in start_order(services()) if service.name in self._services]
        return [service.name for service in ordered if not service.profiles or self._profiles & set(service.profiles)]

    def variables(self, name: str) -> dict[str, str]:
        """Of a service, as it runs here."""
        told = {key: self.here(text) for key, text in self._services[name].environment.items()}
        if not told:
            return {}
        told |= {PREFIX + key: text for key, text in self._replaced.items()}
        told["TIDEMARK_HTTP_HOST"] = "127.0.0.1"
        told["TIDEMARK_RECOVERY"] = told["TIDEMARK_RECOVERY"].replace("/data", str(self._folder / name))
        for variable in ("TIDEMARK_METRICS_PORT", "TIDEMARK_HTTP_PORT"):
            if variable in told:
                told[variable] = str(self.port(name, int(told[variable])))
        return told

    def settings(self, name: str) -> Settings:
        return Settings.from_env({key: text for key, text in self.variables(name).items() if key.startswith(PREFIX)})

    def port(self, name: str, told: int) -> int:
        """The port here that stands for `told` of the container."""
        return self._ports.setdefault((name, told), free_port())

    def here(self, text: str) -> str:
        """With the addresses of services as they are here."""
        for name in self._services:
            text = re.sub(rf"//{name}:(\d+)", lambda found, name=name: self._address(name, int(found[1])), text)  # type: ignore[misc]
        return text

    def _address(self, name: str, port: int) -> str:
        return f"//127.0.0.1:{self.port(name, port)}"

    def start(self, name: str) -> Flow:
        """Once what it depends on is healthy, or done."""
        return self._start(name, self._command(self._services[name]))

    def run(self, name: str, *arguments: str) -> Flow:
        """As `docker compose run` does: `arguments` in the place of its command."""
        return self._start(name, [self._services[name].command[0], *arguments])

    def _start(self, name: str, command: list[str]) -> Flow:
        for before in self._services[name].after:
            if before in self._services and not self._services[before].healthcheck:
                assert self.running[before].wait(60) == 0, self.running[before].said()
        flow = Flow(["-m", *command], self.variables(name), self._folder / f"{name}.log")
        self.running[name] = flow
        return flow

    def _command(self, service: Service) -> list[str]:
        """`--port N` and `--port=N`, `--host 0.0.0.0` and `--host=0.0.0.0`."""
        command = [self.here(part).replace("0.0.0.0", "127.0.0.1") for part in service.command]
        for place, part in enumerate(command):
            if part.startswith("--port="):
                command[place] = f"--port={self.port(service.name, int(part.partition('=')[2]))}"
            elif command[place - 1] == "--port":
                command[place] = str(self.port(service.name, int(part)))
        return command

    def start_all(self) -> None:
        for name in self.names:
            self.start(name)
        for name in self.names:
            self.wait_until_healthy(name)

    def wait_until_healthy(self, name: str) -> None:
        """By the health check that compose would run."""
        service = self._services[name]
        if not service.healthcheck:
            return
        deadline_s = time.monotonic() + _HEALTHY_WITHIN_S
        while not self._probe(service):
            assert self.running[name].running(), self.running[name].said()
            assert time.monotonic() < deadline_s, (name, self.running[name].said())
            time.sleep(0.1)

    def _probe(self, service: Service) -> bool:
        module, told, *status = service.healthcheck[3:]
        url = urlsplit(told)
        here = f"http://127.0.0.1:{self.port(service.name, url.port or 80)}{url.path}"
        return bool(importlib.import_module(module).main([here, *status]) == 0)

    def restart(self, *names: str) -> list[int]:
        """As a rolling update does: asked to end, waited for, started anew. The exit codes."""
        for name in names:
            self.running[name].ask_to_end()
        codes = [self.running[name].wait(_ENDS_WITHIN_S) for name in names]
        for name in names:
            self.start(name)
        for name in names:
            self.wait_until_healthy(name)
        return codes

    def close(self) -> None:
        for flow in self.running.values():
            flow.kill()

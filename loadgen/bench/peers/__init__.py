"""Other people's systems doing the same work, each as its own documentation teaches it, speaking `bench.contest`."""

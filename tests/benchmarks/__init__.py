"""Speed against a peer and coverage in simulations; ``python -m tests.benchmarks``. Nothing here is a test."""

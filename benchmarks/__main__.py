"""`python -m benchmarks`: every benchmark, one after the other."""

from benchmarks import overhead, scheduling, service

if __name__ == "__main__":
    scheduling.main()
    service.main()
    overhead.main()

"""`python -m benchmarks`: every benchmark, one after the other."""

from benchmarks import conservation, engines, metering, overhead, saving, scheduling, service

if __name__ == "__main__":
    engines.main()
    metering.main()
    scheduling.main()
    service.main()
    overhead.main()
    saving.main()
    conservation.main()

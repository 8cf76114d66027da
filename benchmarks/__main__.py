"""`python -m benchmarks`: every benchmark, one after the other."""

from benchmarks import conservation, engines, metering, overhead, saving, scheduling, service, starts

if __name__ == "__main__":
    engines.main()
    starts.main([])
    metering.main()
    scheduling.main()
    service.main()
    overhead.main()
    saving.main()
    conservation.main()

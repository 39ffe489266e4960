"""Everything after the device: records of runs, statistics, comparisons. Never talks to a device."""

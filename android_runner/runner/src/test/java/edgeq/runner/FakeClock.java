package edgeq.runner;

/** A clock that stands still but for sleep. */
final class FakeClock implements Clock {
    private long now;

    @Override
    public long now() {
        return now;
    }

    @Override
    public void sleepUntil(long due) {
        now = Math.max(now, due);
    }
}

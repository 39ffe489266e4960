package edgeq.runner;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public final class RulesTest {
    private static final long SECOND = 1_000_000_000L;

    private static Ticks ticks(long... values) {
        Ticks ticks = new Ticks();
        for (long value : values) {
            ticks.add(value);
        }
        return ticks;
    }

    private static Job job() {
        Job job = new Job();
        job.leastIterations = 3;
        job.mostIterations = 5;
        job.leastSeconds = 1;
        job.mostSeconds = 10;
        return job;
    }

    @Test
    public void measuringEndsByTheMostInferencesOrTheMostSeconds() {
        StopRule rule = new StopRule(job());
        assertNull(rule.decide(ticks(1, 1, 1, 1), 0));
        assertEquals("iterations", rule.decide(ticks(1, 1, 1, 1, 1), 0));
        assertEquals("seconds", rule.decide(ticks(1), 10 * SECOND));
    }

    @Test
    public void agreementNeedsTheLeastInferencesAndSeconds() {
        Job job = job();
        job.agreement = new Job.Rule(2, 0.01);
        StopRule rule = new StopRule(job);
        assertNull(rule.decide(ticks(1000, 1000), 2 * SECOND));
        assertNull(rule.decide(ticks(1000, 1000, 1000), 0));
        assertEquals("agreement", rule.decide(ticks(5, 1000, 1010), 2 * SECOND));
        assertNull(rule.decide(ticks(5, 1000, 1011), 2 * SECOND));
    }

    @Test
    public void warmUpIsCountedWithoutARuleAndMayBeEmpty() {
        Job job = job();
        job.warmup = 0;
        assertEquals("count", new WarmupRule(job).decide(ticks(), 0));
        job.warmup = 2;
        assertNull(new WarmupRule(job).decide(ticks(1), 0));
        assertEquals("seconds", new WarmupRule(job).decide(ticks(1), 60 * SECOND));
    }

    @Test
    public void warmUpIsSteadyWhenTheMediansOfTwoWindowsAreClose() {
        Job job = job();
        job.warmup = 1;
        job.steady = new Job.Rule(3, 0.1);
        WarmupRule rule = new WarmupRule(job);
        assertNull(rule.decide(ticks(100, 100, 100, 100, 100), 0));
        assertEquals("steady", rule.decide(ticks(9, 100, 900, 90, 105, 1), 0));
        assertNull(rule.decide(ticks(9, 100, 900, 89, 89, 1), 0));
    }

    @Test
    public void medianOfAnEvenNumberIsBetweenTheMiddleTwo() {
        assertEquals(2.5, ticks(4, 1, 3, 2).median(0, 4), 0);
        assertEquals(2.0, ticks(9, 3, 2, 1).median(1, 4), 0);
    }

    @Test
    public void ticksGrow() {
        Ticks many = new Ticks();
        for (int index = 0; index < 5000; index++) {
            many.add(index);
        }
        assertEquals(5000, many.size());
        assertEquals(4999, many.get(4999));
    }

    @Test
    public void requestsComeAtTheRateAndALateOneAtOnce() {
        Job job = job();
        job.rate = 10;
        FakeClock clock = new FakeClock();
        Pace pace = new Pace(job, clock);
        pace.await(0);
        assertEquals(0, clock.now());
        pace.await(1);
        assertEquals(SECOND / 10, clock.now());
        clock.sleepUntil(SECOND);
        pace.await(2);
        assertEquals(SECOND, clock.now());
    }

    @Test
    public void aPauseCountsFromTheEndOfTheLastOne() {
        Job job = job();
        job.pause = 2;
        FakeClock clock = new FakeClock();
        Pace pace = new Pace(job, clock);
        clock.sleepUntil(SECOND);
        pace.await(1);
        assertEquals(3 * SECOND, clock.now());
    }

    @Test
    public void pointsOfSamplesAreSpreadOverTheInterval() {
        double sum = 0;
        for (int index = 0; index < 1000; index++) {
            double drawn = Sampler.draw(index);
            assertTrue(drawn >= 0 && drawn < 1);
            sum += drawn;
        }
        assertEquals(0.5, sum / 1000, 0.05);
    }
}

/**
 * The runner's logic in plain Java 8: job, samples, passes, rules, result. Nothing here knows Android or ExecuTorch,
 * so that it is tested on a desktop Java; {@code edgeq.runner.app} puts both under it.
 *
 * <p>edgeq/runner/job.py is the schema of both documents, and the native runner has the same behaviour.
 */
package edgeq.runner;

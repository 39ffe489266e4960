/**
 * What puts Android and ExecuTorch's Java library under {@code edgeq.runner}.
 *
 * <p>Compiled against Android's and ExecuTorch's own classes wherever edgeq is tested, and never run on a phone.
 */
package edgeq.runner.app;

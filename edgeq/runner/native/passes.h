// The passes of a job.
#pragma once

#include "job.h"
#include "result.h"

namespace edgeq {

// Runs the pass of `job` and fills `result` on the way. Throws a Failure.
void run_pass(const Job& job, Result& result);

}  // namespace edgeq

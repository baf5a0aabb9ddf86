// One function per command; each prints its report on stdout.
#pragma once

#include "options.hpp"

namespace ct {

void run(const CompressOptions& options);
void run(const DecompressOptions& options);
void run(const VerifyOptions& options);
void run(const InfoOptions& options);
void run(const GenerateOptions& options);
void run(const PrintText& options);

}  // namespace ct

#include "commands.hpp"
#include "mapped_file.hpp"
#include "npy.hpp"
#include "output_file.hpp"
#include "report.hpp"
#include "restore.hpp"
#include "stopwatch.hpp"

namespace ct {

void run(const DecompressOptions& options) {
  refuse_same_file(options.input, options.output);
  Stopwatch watch;
  Report report;
  report.command = "decompress";
  const MappedFile file(options.input);
  const Container container = open_container(file.bytes());
  const Header& header = container.header;
  watch.lap(report.read_s);

  OutputFile out(options.output);
  const std::string npy = npy_header(header.info);
  const uint64_t size = npy.size() + header.info.bytes();
  std::byte* target = out.map(size);
  std::memcpy(target, npy.data(), npy.size());
  restore(container, target + npy.size(), true);
  watch.lap(report.decompress_s);

  const uint64_t decoded = hash_mapped({target + npy.size(), header.info.bytes()});
  if (header.stored != Stored::lossy && decoded != header.original_hash) {
    throw Error(Exit::corrupt,
                "the file is damaged: what it restores is not what was stored losslessly");
  }
  watch.lap(report.verify_s);
  out.commit();
  watch.lap(report.write_s);

  report.info = header.info;
  report.bytes_in = file.bytes().size;
  report.bytes_out = size;
  report.mode = header.mode;
  if (header.mode != Mode::reversible) report.tolerance_requested = header.tolerance_requested;
  if (header.mode == Mode::relative) report.relative_requested = header.relative_requested;
  report.tolerance_effective = header.tolerance_effective;
  report.missing = header.missing;
  report.xxh3_original = header.original_hash;
  report.xxh3_payload = header.payload_hash;
  report.xxh3_decoded = decoded;
  report.stored = stored_name(header.stored);
  print_report(report);
}

}  // namespace ct

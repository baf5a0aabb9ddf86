#include "decode.hpp"

#include <algorithm>

namespace ct {
namespace {

// More than one block can take: each of at most 64 bit planes has at most one bit per value and a
// few group tests, see zfp's ZFP_MAX_BITS (16658) for what a valid one takes.
constexpr uint64_t slack_bytes = 8192;

[[noreturn]] void corrupt(const char* what) {
  throw Error(Exit::corrupt, std::string("the zfp stream is damaged: ") + what);
}

}  // namespace

void check_plausible_size(const Payload& payload) {
  // Every block takes one bit at the least.
  if (payload.bytes.size < 12 || payload.shape.blocks() > payload.bytes.size * 8) {
    corrupt("it is too short for its shape");
  }
}

template <class T, unsigned D>
BlockDecoder<T, D>::BlockDecoder(const Payload& payload)
    : payload_(payload),
      total_bits_(payload.bytes.size * 8),
      bits_(nullptr, &stream_close),
      zfp_(open_zfp(nullptr, payload.coding)) {
  check_plausible_size(payload);
  // Decoding only reads, whatever the type says.
  bits_.reset(stream_open(const_cast<std::byte*>(payload.bytes.data), payload.bytes.size));
  if (!bits_) throw std::bad_alloc();
  if (payload.bytes.size < 2 * slack_bytes) switch_to_tail();
  zfp_stream_set_bit_stream(zfp_.get(), bits_.get());
  const ZfpStream found(zfp_stream_open(bits_.get()), &zfp_stream_close);
  const ZfpField field(zfp_field_alloc(), &zfp_field_free);
  const ZfpField expected = zfp_field_of(payload.dtype, payload.shape);
  const std::size_t header_bits = zfp_read_header(found.get(), field.get(), ZFP_HEADER_FULL);
  if (header_bits == 0 || header_bits > total_bits_ ||
      zfp_field_metadata(field.get()) != zfp_field_metadata(expected.get()) ||
      zfp_stream_mode(found.get()) != zfp_stream_mode(zfp_.get())) {
    corrupt("its own header does not agree with the file's");
  }
  at_ = header_bits;
}

template <class T, unsigned D>
void BlockDecoder<T, D>::switch_to_tail() {
  const uint64_t begin = at_ / 64 * 8;  // a whole word of any size
  const uint64_t length = payload_.bytes.size - begin;
  tail_.assign((length + slack_bytes) / 8 + 1, 0);
  std::memcpy(tail_.data(), payload_.bytes.data + begin, length);
  bits_.reset(stream_open(tail_.data(), tail_.size() * 8));
  if (!bits_) throw std::bad_alloc();
  zfp_stream_set_bit_stream(zfp_.get(), bits_.get());
  stream_rseek(bits_.get(), at_ - begin * 8);
  in_tail_ = true;
}

template <class T, unsigned D>
void BlockDecoder<T, D>::next(T* block) {
  if (!in_tail_ && total_bits_ - at_ < slack_bytes * 8) switch_to_tail();
  at_ += ZfpBlocks<T, D>::decode(zfp_.get(), block);
  if (at_ > total_bits_) corrupt("it ends within a block");
}

template <class T, unsigned D>
void BlockDecoder<T, D>::finish() const {
  const uint64_t words = (at_ + payload_.word_bits - 1) / payload_.word_bits;
  if (words * payload_.word_bits != total_bits_) corrupt("bytes follow its last block");
}

template class BlockDecoder<float, 1>;
template class BlockDecoder<float, 2>;
template class BlockDecoder<float, 3>;
template class BlockDecoder<float, 4>;
template class BlockDecoder<double, 1>;
template class BlockDecoder<double, 2>;
template class BlockDecoder<double, 3>;
template class BlockDecoder<double, 4>;

}  // namespace ct

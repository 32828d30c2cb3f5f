// What a scripted upstream does with one request: a list of steps, written down before the request comes.
//
//   Gate gate;
//   Script().Answer(200, {{"content-type", "application/json"}}, "{}");
//   Script().SendHead(200).SendBody("{\"id\":").WaitFor(gate).ResetConnection();
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/http_message.h"

namespace ticketing::support {

// A door that a test opens once, for good; scripts wait for it. Copies are the same door. For any thread.
class Gate {
 public:
  Gate();

  // Lets all pass who wait, and all who come later.
  void Open();

  // Calls `callback` once: at once when the gate is open, else on the thread that opens it.
  void WhenOpen(std::function<void()> callback) const;

 private:
  struct State {
    std::mutex mutex;
    bool open = false;
    std::vector<std::function<void()>> waiting;
  };
  std::shared_ptr<State> state_;
};

// Error codes of HTTP/2 (RFC 9113 section 7); any other number may be cast to it.
enum class Http2Error : std::uint32_t {
  kNoError = 0,
  kProtocolError = 1,
  kInternalError = 2,
  kFlowControlError = 3,
  kRefusedStream = 7,
  kCancel = 8,
  kCompressionError = 9,
  kEnhanceYourCalm = 11,
  kHttp11Required = 13,
};

// The steps are done one after the other, each when the one before has reached the connection; a script whose steps run
// out before End(), or that has none, leaves its request without (the rest of) an answer until the client gives up.
// Every function adds one step and returns the script.
class Script {
 public:
  // A whole answer. Adds a `content-length` unless `headers` has one or `status` allows no body (204, 304).
  // Header names are sent as they are over HTTP/1.1, in lower case over HTTP/2.
  Script& Answer(int status, core::HttpHeaders headers = {}, std::string body = {});

  // An answer in pieces: interim answers (1xx), the head, the body, the end. Over HTTP/1.1 the body is chunked, unless
  // `headers` name a `content-length` or `transfer-encoding` of their own.
  Script& SendInformational(int status, core::HttpHeaders headers = {});
  Script& SendHead(int status, core::HttpHeaders headers = {});
  Script& SendBody(std::string bytes);
  // `size` bytes of body, as fast as the client takes them; the byte at offset n of it is FillerByte(n).
  Script& SendFiller(std::uint64_t size);
  Script& End();

  // Goes on when `gate` is open.
  Script& WaitFor(const Gate& gate);
  // Goes on after `time`. For tests whose subject is slowness.
  Script& Delay(std::chrono::milliseconds time);

  // Ends the stream with RST_STREAM. HTTP/1.1 has no streams: there it is ResetConnection().
  Script& ResetStream(Http2Error code);

  // GOAWAY, then goes on. `Below` names the stream before this one as the last that was processed (so that this one
  // provably was not), `Covering` this one, `GoAway` any. The connection is closed when no covered stream is open any
  // more. Over HTTP/1.1 all three close the connection after the answer.
  Script& GoAwayBelow(Http2Error code = Http2Error::kNoError);
  Script& GoAwayCovering(Http2Error code = Http2Error::kNoError);
  Script& GoAway(std::int32_t last_stream_id, Http2Error code = Http2Error::kNoError);

  // Ends the whole connection, for all its streams: Close() in order (what was sent arrives, then close_notify and
  // FIN), ResetConnection() with a TCP reset as soon as what was sent has been given to the system. The client may then
  // lose bytes it has not read; where it must see them, let the test open a gate when it has.
  Script& Close();
  Script& ResetConnection();

  // These bytes, unframed, on the connection (inside TLS).
  Script& SendRaw(std::string bytes);

  // All steps of `more`.
  Script& Append(const Script& more);

  // The steps, for the server.
  struct InformationalStep {
    int status;
    core::HttpHeaders headers;
  };
  struct HeadStep {
    int status;
    core::HttpHeaders headers;
  };
  struct BodyStep {
    std::string bytes;
  };
  struct FillerStep {
    std::uint64_t size;
  };
  struct EndStep {};
  struct WaitStep {
    Gate gate;
  };
  struct DelayStep {
    std::chrono::milliseconds time;
  };
  struct ResetStreamStep {
    Http2Error code;
  };
  struct GoAwayStep {
    enum class Last { kBelow, kCovering, kGiven };
    Last last;
    std::int32_t last_stream_id;
    Http2Error code;
  };
  struct CloseStep {};
  struct ResetConnectionStep {};
  struct RawStep {
    std::string bytes;
  };
  using Step = std::variant<InformationalStep, HeadStep, BodyStep, FillerStep, EndStep, WaitStep, DelayStep,
                            ResetStreamStep, GoAwayStep, CloseStep, ResetConnectionStep, RawStep>;
  const std::vector<Step>& steps() const { return steps_; }

 private:
  Script& Add(Step step);

  std::vector<Step> steps_;
};

// The byte at `offset` of a body made by SendFiller().
constexpr char FillerByte(std::uint64_t offset) {
  return static_cast<char>('a' + offset % 26);
}

// Header fields of `size` bytes in all, names included.
core::HttpHeaders LargeHeaders(std::size_t size);

}  // namespace ticketing::support

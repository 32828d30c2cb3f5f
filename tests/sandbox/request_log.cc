#include "tests/sandbox/request_log.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "tests/sandbox/delete_query.h"
#include "tests/sandbox/percent_encoding.h"

namespace ticketing::sandbox {
namespace {

constexpr std::size_t kMaxEntries = 10'000;

std::string FormatTime(Time time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), length};
}

// "Bearer abc" -> "Bearer ***"
std::string MaskCredentials(const std::string& value) {
  const std::size_t space = value.find(' ');
  return space == std::string::npos ? "***" : value.substr(0, space + 1) + "***";
}

bool IsSent(const Answer& answer) {
  return answer.ending == Answer::Ending::kComplete || answer.ending == Answer::Ending::kBreaksOff;
}

// One line, whatever the entry's texts hold: control characters come as JSON escapes.
std::string Describe(const Json& entry) {
  std::string line = entry["time"].get<std::string>() + " " + entry["method"].get<std::string>() + " " +
                     Dump(entry["path"]) + " raw " + Dump(entry["target"]);
  for (const auto& [name, values] : entry["headers"].items()) {
    for (const Json& value : values) line += " " + name + "=" + Dump(value);
  }
  line += " -> " + (entry["status"].is_null() ? "no answer" : Dump(entry["status"]));
  return line + " (" + entry["note"].get<std::string>() + ")";
}

}  // namespace

void RequestLog::Add(Time time, const Request& request, const std::string& caller, const std::string& note,
                     const Answer& answer) {
  Json headers = Json::object();
  for (const auto& [name, value] : request.headers) {
    headers[name].push_back(name.ends_with("authorization") ? MaskCredentials(value) : value);
  }
  const std::size_t path_end = std::min(request.target.find('?'), request.target.size());
  const std::string path = request.target.substr(0, path_end);
  const std::string query = request.target.substr(std::min(path_end + 1, request.target.size()));
  entries_.push_back({{"number", ++count_},
                      {"time", FormatTime(time)},
                      {"method", request.method},
                      {"path", PercentDecode(path, false).value_or(path)},
                      {"query", DescribeQuery(query)},
                      {"target", request.target},
                      {"headers", headers},
                      {"peer", request.peer},
                      {"caller", caller},
                      {"note", note},
                      {"status", IsSent(answer) ? Json(answer.status) : Json()}});
  if (print_) print_(Describe(entries_.back()));
  if (entries_.size() > kMaxEntries) entries_.pop_front();
}

Json RequestLog::ToJson() const {
  Json requests = Json::array();
  for (const Json& entry : entries_) requests.push_back(entry);
  return {{"requests", requests}};
}

}  // namespace ticketing::sandbox

#include "tests/e2e/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace ticketing::e2e {

// Both streams as they come in.
class Process::Capture {
 public:
  enum Stream : std::size_t { kOutput, kErrors };

  void Read(int descriptor, Stream stream) {
    std::array<char, 4096> buffer{};
    for (;;) {
      const ssize_t count = read(descriptor, buffer.data(), buffer.size());
      const std::lock_guard lock(mutex_);
      if (count <= 0) break;
      texts_.at(stream).append(buffer.data(), static_cast<std::size_t>(count));
      changed_.notify_all();
    }
    close(descriptor);
    const std::lock_guard lock(mutex_);
    ++ended_;
    changed_.notify_all();
  }

  std::optional<std::string> WaitForLine(std::string_view text, int number) {
    std::unique_lock lock(mutex_);
    for (;;) {
      for (const std::string& all : texts_) {
        auto found = all.find(text);
        for (int i = 1; i < number && found != std::string::npos; ++i) found = all.find(text, found + 1);
        const auto end = found == std::string::npos ? found : all.find('\n', found);
        if (end == std::string::npos) continue;
        const auto before = all.rfind('\n', found);
        const auto start = before == std::string::npos ? 0 : before + 1;
        return all.substr(start, end - start);
      }
      if (ended_ == texts_.size()) return std::nullopt;
      changed_.wait(lock);
    }
  }

  std::string text(Stream stream) const {
    const std::lock_guard lock(mutex_);
    return texts_.at(stream);
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::string, 2> texts_;
  std::size_t ended_ = 0;
};

Process::Process(std::vector<std::string> command, const std::map<std::string, std::string>& environment)
    : capture_(std::make_shared<Capture>()) {
  std::array<int, 2> output{};
  std::array<int, 2> errors{};
  if (pipe2(output.data(), O_CLOEXEC) != 0 || pipe2(errors.data(), O_CLOEXEC) != 0) std::abort();

  std::vector<std::string> variables;
  // The way to programs, and what the sanitizers of a program built with one need.
  for (const char* name : {"PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
                           "ASAN_SYMBOLIZER_PATH", "TSAN_SYMBOLIZER_PATH", "UBSAN_SYMBOLIZER_PATH"}) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in a test changes the environment
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (auto& argument : command) argv.push_back(argument.data());
  for (auto& variable : variables) envp.push_back(variable.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO);
  // A test's own sockets would stay open in there.
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  if (posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), envp.data()) != 0) {
    std::perror(argv[0]);
    std::abort();
  }
  posix_spawn_file_actions_destroy(&actions);
  close(output[1]);
  close(errors[1]);
  output_reader_ = std::thread([capture = capture_, fd = output[0]] { capture->Read(fd, Capture::kOutput); });
  error_reader_ = std::thread([capture = capture_, fd = errors[0]] { capture->Read(fd, Capture::kErrors); });
}

Process::~Process() {
  if (!exit_code_) {
    Signal(SIGKILL);
    Wait();
  }
}

std::optional<std::string> Process::WaitForLine(std::string_view text, int number) {
  return capture_->WaitForLine(text, number);
}

void Process::Signal(int signal) const {
  kill(pid_, signal);
}

int Process::Wait() {
  if (exit_code_) return *exit_code_;
  int status = 0;
  waitpid(pid_, &status, 0);
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  output_reader_.join();
  error_reader_.join();
  return *exit_code_;
}

std::string Process::output() const {
  return capture_->text(Capture::kOutput);
}
std::string Process::errors() const {
  return capture_->text(Capture::kErrors);
}

Finished RunProgram(std::vector<std::string> command, const std::map<std::string, std::string>& environment) {
  Process process(std::move(command), environment);
  const int exit_code = process.Wait();
  return {.exit_code = exit_code, .output = process.output(), .errors = process.errors()};
}

}  // namespace ticketing::e2e

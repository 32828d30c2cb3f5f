// Credentials in files that may change while they are in use.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/result.h"
#include "core/source.h"

namespace ticketing::ops {

// Why something is no credential: the end of a sentence about it, without its content. "is empty"
struct CredentialProblem {
  std::string text;
};

// The content of the regular file `path`, of `max_bytes` at most; never waits for anything but the disk.
core::Result<std::string, CredentialProblem> ReadCredentialFile(const std::string& path, std::size_t max_bytes);

// Told of credentials by name ("truto_token"), on the loop thread or before it runs; never of their content.
class CredentialListener {
 public:
  using Expiry = std::optional<std::chrono::system_clock::time_point>;
  virtual ~CredentialListener() = default;
  // It is in use from now on. `expiry`: when it ends by itself, where that can be known.
  virtual void OnLoaded(std::string_view name, Expiry expiry) = 0;
  // What the files hold now is unusable, and what was read before stays in use. Told once for each problem, which names
  // the files.
  virtual void OnPassedOver(std::string_view name, const std::string& problem) = 0;
};

// How one kind of credential is read and judged. `Content` can be compared.
template <typename Content>
struct CredentialKind {
  std::string_view name;
  std::string files;  // the beginning of a sentence about them: "The token file /run/token"
  std::function<core::Result<Content, CredentialProblem>()> read;
  std::function<core::Result<CredentialListener::Expiry, CredentialProblem>(const Content& content)> check;
};

// A credential that is read again by Reload(). A new content that can't be read or is unusable is passed over.
template <typename Content>
class Credential final : public core::Source<Content> {
 public:
  // Reads it for the first time; an error is a sentence that names the files and says what is wrong with them.
  static core::Result<std::unique_ptr<Credential>, std::string> Open(CredentialKind<Content> kind,
                                                                     CredentialListener& listener) {
    auto content = kind.read();
    if (!content.ok()) return kind.files + " " + content.error().text + ".";
    const auto expiry = kind.check(content.value());
    if (!expiry.ok()) return kind.files + " " + expiry.error().text + ".";
    listener.OnLoaded(kind.name, expiry.value());
    return std::unique_ptr<Credential>(new Credential(std::move(kind), std::move(content).value(), listener));
  }

  std::shared_ptr<const Content> Current() const override {
    const std::lock_guard lock(mutex_);
    return current_;
  }

  // Reads without asking first whether a file has changed: one rewritten in the same moment, of the same length, would
  // look the same. True when Current() has changed.
  bool Reload() {
    auto content = kind_.read();
    if (!content.ok()) return PassOver(content.error());
    if (content.value() == *current_) {
      problem_.clear();
      return false;
    }
    const auto expiry = kind_.check(content.value());
    if (!expiry.ok()) return PassOver(expiry.error());
    problem_.clear();
    {
      auto replaced = std::make_shared<const Content>(std::move(content).value());
      const std::lock_guard lock(mutex_);
      current_.swap(replaced);
    }
    listener_.OnLoaded(kind_.name, expiry.value());
    return true;
  }

 private:
  Credential(CredentialKind<Content> kind, Content content, CredentialListener& listener)
      : kind_(std::move(kind)), listener_(listener), current_(std::make_shared<const Content>(std::move(content))) {}

  bool PassOver(const CredentialProblem& problem) {
    if (problem_ != problem.text) {
      problem_ = problem.text;
      listener_.OnPassedOver(kind_.name, kind_.files + " " + problem_);
    }
    return false;
  }

  CredentialKind<Content> kind_;
  CredentialListener& listener_;
  std::string problem_;  // the last one told of; empty while all is well
  mutable std::mutex mutex_;
  std::shared_ptr<const Content> current_;
};

}  // namespace ticketing::ops

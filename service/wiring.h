// From the settings to what each room takes.
#pragma once

#include <memory>
#include <string>

#include "call/delete_user_call.h"
#include "core/result.h"
#include "core/token_source.h"
#include "http/curl_client.h"
#include "ops/log.h"
#include "ops/settings.h"
#include "rpc/server.h"

namespace ticketing {

call::CallOptions CallOptionsOf(const ops::Settings& settings);
http::CurlOptions CurlOptionsOf(const ops::Settings& settings);
rpc::ServerOptions ServerOptionsOf(const ops::Settings& settings);

// The service's own token; a null one where every call brings its caller's. An error says why there is none. `log` must
// outlive it: it is told of a file that later has no usable token.
core::Result<std::unique_ptr<core::TokenSource>, std::string> OpenToken(const ops::Settings& settings, ops::Log& log);

// Warns of every setting that differs from its default and that this version does not act on.
void WarnOfSettingsWithoutEffect(const ops::Settings& settings, ops::Log& log);

}  // namespace ticketing

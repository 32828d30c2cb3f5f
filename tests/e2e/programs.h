// Where the programs under test are.
#pragma once

#include <string>

namespace ticketing::e2e {

std::string ServiceProgram();      // ticketing-user-service
std::string CommandLineProgram();  // ticketing-user
std::string SandboxProgram();      // truto-sandbox
std::string GrpcurlProgram();      // empty where there is none
std::string PreloadedLibrary();    // see preload.h

}  // namespace ticketing::e2e

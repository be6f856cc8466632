# The variants of every distribution by one argument: `mintmark bake java-13`, `mintmark bake node`.
# Their base is built first: `mintmark build base --distribution debian:13`.

variable "REPOSITORY" {
  default = "aibox"
}

# For .NET on Debian: the address of the package that adds the archive of its makers.
variable "DOTNET_SOURCE" {
  default = null
}

group "default" {
  targets = ["java", "node", "dotnet", "full"]
}

target "_common" {
  dockerfile = "Containerfile"
  labels     = { "org.opencontainers.image.vendor" = "AI-Box" }
}

# OpenJDK 21 is not in Debian 12.
target "java" {
  name     = "java-${sanitize(distribution)}"
  matrix   = { distribution = ["24.04", "13"] }
  inherits = ["_common"]
  context  = "java"
  args     = { DISTRIBUTION = distribution }
  tags     = ["${REPOSITORY}/java:21-${distribution}"]
}

target "node" {
  name     = "node-${sanitize(distribution)}"
  matrix   = { distribution = ["24.04", "13", "12"] }
  inherits = ["_common"]
  context  = "node"
  args     = { DISTRIBUTION = distribution }
  tags     = ["${REPOSITORY}/node:20-${distribution}"]
}

target "dotnet" {
  name     = "dotnet-${sanitize(distribution)}"
  matrix   = { distribution = ["24.04", "13", "12"] }
  inherits = ["_common"]
  context  = "dotnet"
  args     = { DISTRIBUTION = distribution, DOTNET_SOURCE = DOTNET_SOURCE }
  tags     = ["${REPOSITORY}/dotnet:8-${distribution}"]
}

target "full" {
  name     = "full-${sanitize(distribution)}"
  matrix   = { distribution = ["24.04", "13"] }
  inherits = ["_common"]
  context  = "full"
  args     = { DISTRIBUTION = distribution, DOTNET_SOURCE = DOTNET_SOURCE }
  contexts = { "aibox/java:21-${distribution}" = "target:java-${sanitize(distribution)}" }
  tags     = ["${REPOSITORY}/full:${distribution}"]
}

target "cuda" {
  inherits = ["_common"]
  context  = "cuda"
  tags     = ["${REPOSITORY}/cuda:12.5-22.04"]
}

target "vllm" {
  inherits = ["_common"]
  context  = "vllm"
  args     = { VLLM_VERSION = "0.6.3" }
  contexts = { "aibox/cuda:12.5-22.04" = "target:cuda" }
  tags     = ["${REPOSITORY}/vllm:0.6.3"]
}

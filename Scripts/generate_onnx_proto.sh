#!/bin/sh
# Writes Sources/ModelFiles/Generated/onnx.pb.swift from the schema in the onnx wheel.
#
# Needs pip, git, a Swift toolchain and protoc (Debian: protobuf-compiler). The generator is built
# from the release of swift-protobuf that Package.resolved names, so that it fits the library.
set -eu
onnx_version=1.17.0
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m pip download --quiet --no-deps --dest "$work" "onnx==$onnx_version"
python3 -m zipfile -e "$work"/onnx-*.whl "$work/wheel"
cp "$work/wheel/onnx/onnx-ml.proto" "$work/onnx.proto"

swift package --package-path "$root" resolve
cp -R "$root/.build/checkouts/swift-protobuf" "$work/swift-protobuf"
chmod -R u+w "$work/swift-protobuf"
swift build --package-path "$work/swift-protobuf" --product protoc-gen-swift
generator=$(swift build --package-path "$work/swift-protobuf" --show-bin-path)/protoc-gen-swift

output="$root/Sources/ModelFiles/Generated"
mkdir -p "$output"
protoc --proto_path="$work" --plugin=protoc-gen-swift="$generator" \
  --swift_opt=Visibility=Internal --swift_opt=UseAccessLevelOnImports=true \
  --swift_out="$work" onnx.proto
{
  echo "// Made by Scripts/generate_onnx_proto.sh from onnx-ml.proto of onnx $onnx_version."
  # Strict memory safety wants the shared default instances marked where they are used.
  sed 's/= _StorageClass\.defaultInstance/= unsafe _StorageClass.defaultInstance/' \
    "$work/onnx.pb.swift"
} > "$output/onnx.pb.swift"

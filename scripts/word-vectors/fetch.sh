#!/bin/sh
# Unpacks Debian packages, without installing them: fetch.sh LIST FOLDER makes FOLDER/PACKAGE for each name in LIST.
set -eu
list=$(realpath "$1")
mkdir -p "$2"
cd "$2"
while read -r package; do
  apt-get download "$package"
  dpkg-deb -x "$package"_*.deb "$package"
  rm "$package"_*.deb
done < "$list"

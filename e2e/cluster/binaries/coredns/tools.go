//go:build tools

// Package tools keeps the programs that are built from this module in its requirements.
package tools

import _ "github.com/coredns/coredns"

//go:build tools

// Package tools names what go.mod pins.
package tools

import _ "github.com/yannh/kubeconform/cmd/kubeconform"

//go:build !linux

package main

import (
	"context"
	"errors"
)

func (t target) serve(context.Context, int) error { return errors.New("the target needs Linux") }

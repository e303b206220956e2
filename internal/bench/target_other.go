//go:build !linux

package main

import (
	"context"
	"errors"
	"time"
)

func (t target) serve(context.Context, int) error { return errors.New("the target needs Linux") }

func processorTime() time.Duration { return 0 }

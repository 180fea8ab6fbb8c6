package main

import (
	"fmt"
	"sync"
)

// logger hands the server's log over line by line. It never makes the server wait: lines that
// nobody fetches in time are dropped.
type logger struct {
	lines chan string
	fatal chan string // the first fatal message
	done  chan struct{}
	once  sync.Once
}

func newLogger() *logger {
	return &logger{lines: make(chan string, 1024), fatal: make(chan string, 1), done: make(chan struct{})}
}

// next waits for a line; false once the logger is closed and empty.
func (l *logger) next() (string, bool) {
	select {
	case line := <-l.lines:
		return line, true
	case <-l.done:
	}
	select {
	case line := <-l.lines:
		return line, true
	default:
		return "", false
	}
}

func (l *logger) close() {
	l.once.Do(func() { close(l.done) })
}

func (l *logger) write(level string, format string, values []any) {
	select {
	case l.lines <- level + fmt.Sprintf(format, values...):
	default:
	}
}

// Fatalf notes the message; the server expects the process to end, but goes on without
// what failed.
func (l *logger) Fatalf(format string, values ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, values...):
	default:
	}
	l.write("F", format, values)
}

func (l *logger) Errorf(format string, values ...any)  { l.write("E", format, values) }
func (l *logger) Warnf(format string, values ...any)   { l.write("W", format, values) }
func (l *logger) Noticef(format string, values ...any) { l.write("N", format, values) }
func (l *logger) Debugf(format string, values ...any)  { l.write("D", format, values) }
func (l *logger) Tracef(format string, values ...any)  { l.write("T", format, values) }

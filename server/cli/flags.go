// Package cli is the server's subcommands that serve nothing: inspect says what a
// model is, predict scores rows of CSV. They read one model's file and the streams
// that they are given, and know no network. A model is read by model/format.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// The exit codes.
const (
	codeOK     = 0
	codeFailed = 1
	codeUsage  = 2
)

// parse reads flags, which may stand before and behind the one argument, the model's
// file. ok is false if the subcommand is over, with that code: help was asked for and
// written, or the arguments are wrong and stderr says how.
func parse(f *flag.FlagSet, help string, args []string, stdout, stderr io.Writer) (file string, code int, ok bool) {
	f.SetOutput(io.Discard)
	var files []string
	for rest := args; ; {
		if err := f.Parse(rest); errors.Is(err, flag.ErrHelp) {
			if _, err := io.WriteString(stdout, help); err != nil {
				return "", codeFailed, false
			}
			return "", codeOK, false
		} else if err != nil {
			return "", fail(stderr, codeUsage, f.Name(), fmt.Errorf("%w (--help lists the flags)", err)), false
		}
		if f.NArg() == 0 {
			break
		}
		files, rest = append(files, f.Arg(0)), f.Args()[1:]
	}
	if len(files) != 1 {
		return "", fail(stderr, codeUsage, f.Name(), fmt.Errorf("%d files, want one, a model's (--help says more)", len(files))), false
	}
	return files[0], codeOK, true
}

// fail writes the error and returns the code.
func fail(stderr io.Writer, code int, name string, err error) int {
	_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err) // the exit code says it too
	return code
}

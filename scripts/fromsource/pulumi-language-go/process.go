package main

import (
	"os/exec"
	"syscall"
	"time"
)

// stopGrace is how long a program that was asked to stop may take.
const stopGrace = 5 * time.Second

// pluginGrace is the same for a plugin. It is long, because the engine hangs
// up on a plugin as soon as the user presses ^C, while the plugin still undoes
// what it has begun and the engine waits for its answer.
const pluginGrace = 3 * time.Minute

// runGroup runs a command to its end. When its context ends, the command is
// interrupted, with all that it started, and killed when it has not ended
// after the grace.
func runGroup(cmd *exec.Cmd, grace time.Duration) error {
	ended := make(chan struct{})
	defer close(ended)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		go func() {
			select {
			case <-ended:
			case <-time.After(grace):
				_ = syscall.Kill(group, syscall.SIGKILL) // fails only if it has just ended
			}
		}()
		return syscall.Kill(group, syscall.SIGINT)
	}
	cmd.WaitDelay = grace + time.Second
	return cmd.Run()
}

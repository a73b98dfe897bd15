package main

import (
	"os/exec"
	"syscall"
	"time"
)

// stopGrace is how long something that was asked to stop may take.
const stopGrace = 5 * time.Second

// stoppable has a command interrupted, with all that it started, when its
// context ends, and killed when it has not ended after stopGrace.
func stoppable(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		time.AfterFunc(stopGrace, func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // gone already, mostly
		})
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	}
	cmd.WaitDelay = stopGrace + time.Second
}

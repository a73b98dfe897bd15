package repository

import (
	"os"
	"syscall"
)

// changeTime is when the file or what the system holds about it last changed, which no
// copying tool can set.
func changeTime(info os.FileInfo) syscall.Timespec {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ctim
	}
	return syscall.Timespec{}
}

//go:build !linux

package repository

import "os"

// changeTime is not known here: size, time and identity tell files apart.
func changeTime(os.FileInfo) struct{} { return struct{}{} }

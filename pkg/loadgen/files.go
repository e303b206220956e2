package loadgen

import "fmt"

// otherFiles is how many open files the process needs beside the users'
// connections: its recording, its metrics, and those that read them.
const otherFiles = 128

// checkFiles says before the start that there can't be as many connections as users.
func checkFiles(opts Options, raise func(need uint64) (limit uint64, err error)) error {
	if opts.Dial != nil {
		return nil // whatever that opens
	}
	return fileProblem(opts.Segment.Share(opts.Profile.mostUsers()), raise)
}

func fileProblem(users int, raise func(need uint64) (limit uint64, err error)) error {
	need := uint64(users) + otherFiles
	limit, err := raise(need)
	if err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	if limit < need {
		return fmt.Errorf("%d users need %d open files, and the limit is %d: raise it (ulimit -n %d), or spread the users over several processes", users, need, limit, need)
	}
	return nil
}

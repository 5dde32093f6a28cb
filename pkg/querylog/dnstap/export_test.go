package dnstap

import "time"

// SetForTest shortens the time between two attempts, and files.
func (o *Output) SetForTest(retryEvery time.Duration, maxFile int) {
	o.retryEvery, o.maxFile = retryEvery, maxFile
}

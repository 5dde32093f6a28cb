package skydns

// A transport carries messages; it is an index of counters.
type transport uint8

const (
	udp transport = iota
	tcp
)

// transportNames are values of the label proto.
var transportNames = [...]string{udp: "udp", tcp: "tcp"}

func (t transport) String() string { return transportNames[t] }

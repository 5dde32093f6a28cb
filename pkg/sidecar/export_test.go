package sidecar

// ExchangeOverNetwork is the Exchange that a Server uses by default.
var ExchangeOverNetwork Exchange = exchange

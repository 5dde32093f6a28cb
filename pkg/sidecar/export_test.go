package sidecar

// ExchangeOverNetwork is the Exchange that a Server uses unless told otherwise.
var ExchangeOverNetwork Exchange = exchange

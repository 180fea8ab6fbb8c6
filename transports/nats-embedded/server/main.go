package main

import "C"
import _ "github.com/nats-io/nats-server/v2/server"

func main() {}

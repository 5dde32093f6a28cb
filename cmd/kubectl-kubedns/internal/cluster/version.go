package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Version returns the version of the API server.
func (c *Client) Version(ctx context.Context) (major, minor int, err error) {
	body, err := c.RESTClient().Get().AbsPath("/version").DoRaw(ctx)
	if err != nil {
		return 0, 0, c.Explain(ctx, "get", "/version", "", err)
	}
	var info struct{ Major, Minor string }
	if err := json.Unmarshal(body, &info); err != nil {
		return 0, 0, fmt.Errorf("the version of the API server %s: %w", c.Host(), err)
	}
	if major, err = strconv.Atoi(info.Major); err == nil {
		minor, err = strconv.Atoi(strings.TrimRight(info.Minor, "+"))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("the version of the API server %s: %w", c.Host(), err)
	}
	return major, minor, nil
}

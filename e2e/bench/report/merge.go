package report

// Merge adds the results of another run, so that a long run can be split. The machine and the turns
// remain those of the first.
func (r *Results) Merge(other *Results) {
	r.Machine.Load = append(r.Machine.Load, other.Machine.Load...)
	if other.Machine.End.After(r.Machine.End) {
		r.Machine.End = other.Machine.End
	}
	r.Grow = append(r.Grow, other.Grow...)
	r.Updates = append(r.Updates, other.Updates...)
	for _, s := range other.Sets {
		if have := r.Set(s.Name); have != nil {
			have.merge(s)
		} else {
			r.Sets = append(r.Sets, s)
		}
	}
}

func (s *Set) merge(other *Set) {
	for name, p := range other.Peers {
		have := s.Peers[name]
		if have == nil {
			s.Peers[name] = p
			continue
		}
		for mix, runs := range p.Mixes {
			have.Mixes[mix] = append(have.Mixes[mix], runs...)
		}
		for mix, l := range p.Latency {
			have.Latency[mix] = append(have.Latency[mix], l...)
		}
		have.Memory = append(have.Memory, p.Memory...)
		have.StartMs = append(have.StartMs, p.StartMs...)
		have.StartCPU = append(have.StartCPU, p.StartCPU...)
		have.ChangeMs = append(have.ChangeMs, p.ChangeMs...)
		have.SendMs = append(have.SendMs, p.SendMs...)
		have.UpdateMs = append(have.UpdateMs, p.UpdateMs...)
		have.UpdateRate = append(have.UpdateRate, p.UpdateRate...)
	}
}

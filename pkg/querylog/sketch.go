package querylog

import "slices"

// tracked is the number of keys that a sketch counts.
const tracked = 500

// A sketch counts keys in bounded memory: the algorithm of Misra and Gries. When it is full, it
// drops the less frequent half. A later key starts with the highest count that it can have had,
// which is its error. No count is too low. No count is too high by more than 2/tracked of all.
type sketch struct {
	tallies map[string]*tally
	least   uint64 // the highest count that a key without a tally may have
}

func (s *sketch) add(key string, e *Entry) {
	t := s.tallies[key]
	if t == nil {
		if len(s.tallies) == tracked {
			s.prune()
		}
		t = &tally{count: s.least, excess: s.least}
		s.tallies[key] = t
	}
	t.add(e)
}

func (s *sketch) prune() {
	counts := make([]uint64, 0, tracked)
	for _, t := range s.tallies {
		counts = append(counts, t.count)
	}
	slices.Sort(counts)
	s.least = counts[len(counts)/2]
	for key, t := range s.tallies {
		if t.count <= s.least {
			delete(s.tallies, key)
		}
	}
}

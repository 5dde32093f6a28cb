package querylog

import "slices"

// tracked is how many keys a sketch counts.
const tracked = 500

// A sketch counts keys in bounded memory: the algorithm of Misra and Gries. When it is full,
// the less frequent half goes. A key that comes after that begins with the highest count
// that it may have had, which is its error. No count is too low. None is too high by more
// than 2/tracked of all.
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

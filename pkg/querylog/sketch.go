package querylog

import "container/heap"

// A sketch counts keys in bounded memory: the space-saving algorithm of Metwally, Agrawal
// and El Abbadi. A new key takes the place of the least frequent one, and inherits its
// count as its error. No count is too low. None is too high by more than 1/size of all.
type sketch[K comparable] struct {
	size  int
	byKey map[K]*cell[K]
	cells cellHeap[K] // the least frequent first
}

// A cell counts one key.
type cell[K comparable] struct {
	key   K
	index int // in the heap
	tally
}

func newSketch[K comparable](size int) *sketch[K] {
	return &sketch[K]{size: size, byKey: make(map[K]*cell[K])}
}

// add counts an entry under a key.
func (s *sketch[K]) add(key K, e *Entry) {
	c, ok := s.byKey[key]
	switch {
	case ok:
	case len(s.cells) < s.size:
		c = &cell[K]{key: key}
		s.byKey[key] = c
		heap.Push(&s.cells, c)
	default:
		c = s.cells[0]
		delete(s.byKey, c.key)
		c.key, c.tally = key, tally{count: c.count, excess: c.count}
		s.byKey[key] = c
	}
	c.add(e)
	heap.Fix(&s.cells, c.index)
}

// least returns the highest count that a key without a cell may have.
func (s *sketch[K]) least() uint64 {
	if len(s.cells) < s.size {
		return 0
	}
	return s.cells[0].count
}

// A cellHeap implements heap.Interface.
type cellHeap[K comparable] []*cell[K]

func (h cellHeap[K]) Len() int           { return len(h) }
func (h cellHeap[K]) Less(i, j int) bool { return h[i].count < h[j].count }

func (h cellHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *cellHeap[K]) Push(x any) {
	c := x.(*cell[K])
	c.index = len(*h)
	*h = append(*h, c)
}

// Pop is not used: cells are never removed.
func (h *cellHeap[K]) Pop() any { panic("a sketch has no cell to remove") }

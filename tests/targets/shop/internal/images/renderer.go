// Package images renders thumbnails of products.
package images

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"sync"
	"sync/atomic"
)

const (
	side     = 48
	samples  = 2 // in each direction of a pixel
	pageSize = 4096
)

// Thumbnail is a small picture of a product.
type Thumbnail struct {
	PNG    []byte
	buffer []byte // what the original was read into
	canvas *canvas
}

type canvas struct {
	picture *image.RGBA
	encoded bytes.Buffer
}

// Renderer draws thumbnails on canvases that it uses again.
type Renderer struct {
	// BufferSize is the size of the read buffer of a thumbnail in bytes; none
	// is needed if 0.
	BufferSize atomic.Int64

	canvases sync.Pool
	encoder  png.Encoder
}

// NewRenderer returns a renderer.
func NewRenderer() *Renderer {
	r := &Renderer{canvases: sync.Pool{New: newCanvas}}
	r.encoder = png.Encoder{BufferPool: new(encoderBuffers)}
	return r
}

func newCanvas() any {
	return &canvas{picture: image.NewRGBA(image.Rect(0, 0, side, side))}
}

// Thumbnail renders the picture of a product. Release it after use.
func (r *Renderer) Thumbnail(id int) (Thumbnail, error) {
	var t Thumbnail
	if n := r.BufferSize.Load(); n > 0 {
		t.buffer = make([]byte, n)
		for i := 0; i < len(t.buffer); i += pageSize {
			t.buffer[i] = byte(id)
		}
	}
	t.canvas = r.canvases.Get().(*canvas)
	draw(t.canvas.picture, id)
	t.canvas.encoded.Reset()
	if err := r.encoder.Encode(&t.canvas.encoded, t.canvas.picture); err != nil {
		return t, fmt.Errorf("thumbnail %d: %w", id, err)
	}
	t.PNG = t.canvas.encoded.Bytes()
	return t, nil
}

// Release ends the use of a thumbnail and returns the size of its buffer.
func (r *Renderer) Release(t Thumbnail) int {
	if t.canvas != nil {
		r.canvases.Put(t.canvas)
	}
	return len(t.buffer)
}

// draw paints rings around a point that depends on the product. The colour of
// a pixel is the mean of samples within it.
func draw(m *image.RGBA, id int) {
	cx, cy := float64(id%side), float64(id/side%side)
	for y := range side {
		for x := range side {
			var light float64
			for k := range samples * samples {
				dx := float64(x) + float64(k%samples)/samples - cx
				dy := float64(y) + float64(k/samples)/samples - cy
				light += math.Mod(math.Hypot(dx, dy), 8)
			}
			ring := uint8(light/(samples*samples)) * 32
			m.SetRGBA(x, y, color.RGBA{R: ring, G: uint8(4 * y), B: ring ^ 0x5a, A: 255})
		}
	}
}

// encoderBuffers lets the PNG encoder use its buffers again.
type encoderBuffers struct {
	pool sync.Pool
}

func (b *encoderBuffers) Get() *png.EncoderBuffer {
	e, _ := b.pool.Get().(*png.EncoderBuffer)
	return e
}

func (b *encoderBuffers) Put(e *png.EncoderBuffer) {
	b.pool.Put(e)
}

package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// canvas collects the elements of an SVG. Sizes are in its pixels.
type canvas struct{ bytes.Buffer }

// style of a text.
type style struct {
	size   float64
	color  string
	anchor string // start, middle or end
	bold   bool
}

func (c *canvas) text(x, y float64, s style, text string) {
	weight := ""
	if s.bold {
		weight = ` font-weight="600"`
	}
	fmt.Fprintf(&c.Buffer, `<text x="%.1f" y="%.1f" font-size="%.0f" fill="%s" text-anchor="%s"%s>`, x, y, s.size, s.color, s.anchor, weight)
	_ = xml.EscapeText(&c.Buffer, []byte(text)) // a buffer takes everything
	c.WriteString("</text>\n")
}

func (c *canvas) rect(x, y, width, height float64, color string) {
	fmt.Fprintf(&c.Buffer, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, width, height, color)
}

func (c *canvas) line(x1, y1, x2, y2, width float64, color, dashes string) {
	dash := ""
	if dashes != "" {
		dash = fmt.Sprintf(` stroke-dasharray="%s"`, dashes)
	}
	fmt.Fprintf(&c.Buffer, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"%s/>`+"\n", x1, y1, x2, y2, color, width, dash)
}

// dot is a full circle, or a hollow diamond: the two differ without their colors too.
func (c *canvas) dot(x, y float64, full bool, color string) {
	const r = 5.5
	if full {
		fmt.Fprintf(&c.Buffer, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`+"\n", x, y, r, color)
		return
	}
	fmt.Fprintf(&c.Buffer, `<path d="M%.1f %.1f l%.1f %.1f l%.1f %.1f l%.1f %.1f z" fill="#ffffff" stroke="%s" stroke-width="2"/>`+"\n",
		x-r-1, y, r+1, r+1, r+1, -r-1, -r-1, -r-1, color)
}

// document is the whole SVG, of a size.
func (c *canvas) document(width, height float64, title string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" role="img">`+"\n<title>",
		width, height, width, height)
	_ = xml.EscapeText(&out, []byte(title)) // a buffer takes everything
	fmt.Fprintf(&out, "</title>\n"+`<rect width="%.0f" height="%.0f" fill="#ffffff"/>`+"\n", width, height)
	out.Write(c.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

/** Draws a picture in place of one that the user has chosen. */
export async function createPicture(size = 96) {
  const canvas = new OffscreenCanvas(size, size);
  const drawing = canvas.getContext('2d');
  drawing.fillStyle = `hsl(${Math.floor(Math.random() * 360)} 60% 45%)`;
  drawing.fillRect(0, 0, size, size);
  return canvas.convertToBlob({ type: 'image/png' });
}

// Strokes are kept as they are painted, a byte for each pixel of the item; `over` is an image below them.
const canvas = element.querySelector('canvas'), context = canvas.getContext('2d', {willReadFrequently: true});
const {soft, brush, colour} = element.querySelector('.pad').dataset;
const bands = colour.split(' ').map(Number);
let strokes = new Float32Array(0), under = null, last = null, shown = '';
function draw() {
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (under) context.drawImage(under, 0, 0, canvas.width, canvas.height);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  strokes.forEach((stroke, place) => {
    for (let band = 0; band < 3; band++) {
      const at = 4 * place + band;
      image.data[at] = image.data[at] * (1 - stroke) + bands[band] * stroke;
    }
  });
  context.putImageData(image, 0, 0);
}
function load() {
  const {width, height, over} = props;
  if (shown === width + 'x' + height + over) return;
  shown = width + 'x' + height + over;
  canvas.width = width; canvas.height = height;
  strokes = new Float32Array(width * height);
  under = null;
  draw();
  if (over) { const image = new Image(); image.onload = () => { under = image; draw(); }; image.src = over; }
}
function stamp(x, y) {
  const radius = Number(brush) * Math.max(canvas.width, canvas.height);
  for (let row = Math.floor(y - radius - 1); row <= y + radius + 1; row++)
    for (let column = Math.floor(x - radius - 1); column <= x + radius + 1; column++)
      if (row >= 0 && column >= 0 && row < canvas.height && column < canvas.width) {
        const far = Math.hypot(column + 0.5 - x, row + 0.5 - y), place = row * canvas.width + column;
        const ink = Math.min(1, Math.max(0, radius + 0.5 - far));
        strokes[place] = Math.max(strokes[place], soft ? ink : Math.round(ink));
      }
}
function place(event) {
  const box = canvas.getBoundingClientRect();
  const across = (event.clientX - box.left) / box.width, down = (event.clientY - box.top) / box.height;
  return [across * canvas.width, down * canvas.height];
}
function send() {
  props.value = JSON.stringify({width: canvas.width, height: canvas.height, item: props.item,
    strokes: btoa(Array.from(strokes, each => String.fromCharCode(Math.round(255 * each))).join(''))});
  trigger('input');
}
canvas.addEventListener('pointerdown', event => {
  canvas.setPointerCapture(event.pointerId);
  last = place(event); stamp(...last); draw();
});
canvas.addEventListener('pointermove', event => {
  if (!last) return;
  const here = place(event), steps = Math.ceil(2 * Math.hypot(here[0] - last[0], here[1] - last[1])) || 1;
  for (let step = 1; step <= steps; step++)
    stamp(last[0] + (here[0] - last[0]) * step / steps, last[1] + (here[1] - last[1]) * step / steps);
  last = here; draw();
});
for (const end of ['pointerup', 'pointercancel'])
  canvas.addEventListener(end, () => { if (last) { last = null; send(); } });
element.querySelector('button').addEventListener('click', () => { strokes.fill(0); draw(); send(); });
watch(['over', 'width', 'height'], load);
load();

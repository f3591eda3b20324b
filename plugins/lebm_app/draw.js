const canvas = element.querySelector('canvas');
const pen = canvas.getContext('2d');
const blank = () => { pen.fillStyle = '#000'; pen.fillRect(0, 0, canvas.width, canvas.height); };
blank();
pen.lineCap = pen.lineJoin = 'round';
pen.strokeStyle = '#fff';
pen.lineWidth = Number(canvas.dataset.pen);
let last = null;
const at = (event) => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * canvas.width / box.width,
          (event.clientY - box.top) * canvas.height / box.height];
};
canvas.addEventListener('pointerdown', (event) => {
  canvas.setPointerCapture(event.pointerId);
  last = at(event);
  event.preventDefault();
});
canvas.addEventListener('pointermove', (event) => {
  if (!last) return;
  const now = at(event);
  pen.beginPath();
  pen.moveTo(...last);
  pen.lineTo(...now);
  pen.stroke();
  last = now;
});
const done = () => {
  if (!last) return;
  last = null;
  props.value = canvas.toDataURL('image/png');
};
canvas.addEventListener('pointerup', done);
canvas.addEventListener('pointercancel', done);
element.querySelector('button').addEventListener('click', () => { blank(); props.value = ''; });

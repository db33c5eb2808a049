function mark() {
  for (const button of element.querySelectorAll('button[data-item]'))
    button.setAttribute('aria-pressed', Number(button.dataset.item) === props.chosen);
}
watch(['chosen', 'value'], mark);
mark();
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-item]');
  if (button) trigger('select', {index: Number(button.dataset.item)});
});

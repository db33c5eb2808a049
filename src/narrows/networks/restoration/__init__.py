"""Networks for denoising and inpainting."""
